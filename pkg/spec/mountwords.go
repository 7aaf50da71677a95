package spec

import (
	"fmt"
	"strings"
)

// mountWords are the options of mounts that exclude each other, a line each, the word for "as the host
// has it" first.
func mountWords() []string {
	return []string{
		"rbind bind",
		"private rprivate slave rslave shared rshared unbindable runbindable",
		"suid nosuid",
		"dev nodev",
		"exec noexec",
		"atime noatime",
		"rw ro",
	}
}

// wordLine finds the line of a word, -1 for words that are none.
func wordLine(word string) int {
	for i, line := range mountWords() {
		if oneOf(word, line) {
			return i
		}
	}
	return -1
}

// mountOptions lays the given words over the default ones: one of each line at most. The order is that of
// mountWords, so that the same wish makes the same spec. What a recursive bind must not do holds for the mounts below too
// (rro, rnosuid): with ro alone, they would stay writable.
func mountOptions(given, defaults []string) ([]string, error) {
	lines := mountWords()
	chosen := make([]string, len(lines))
	for _, word := range given {
		i := wordLine(word)
		if i < 0 {
			return nil, fmt.Errorf("invalid option %q", word)
		}
		if chosen[i] != "" && chosen[i] != word {
			return nil, fmt.Errorf("options %q and %q exclude each other", chosen[i], word)
		}
		chosen[i] = word
	}
	for _, word := range defaults {
		if i := wordLine(word); chosen[i] == "" {
			chosen[i] = word
		}
	}
	var options []string
	for _, word := range chosen {
		if chosen[0] == "rbind" && oneOf(word, "ro nosuid nodev noexec") {
			word = "r" + word
		}
		if word != "" {
			options = append(options, word)
		}
	}
	return options, nil
}

// bindDefaults are podman's for -v.
func bindDefaults() []string { return []string{"rbind", "rprivate", "nosuid", "nodev", "rw"} }

// destination checks where a mount of the caller's goes.
func destination(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("the path inside is missing")
	case p[0] != '/':
		return fmt.Errorf("invalid container path %q, must be an absolute path", p)
	case strings.ContainsAny(p, "\x00\n"):
		return fmt.Errorf("NUL byte or newline in %q", p)
	}
	return nil
}
