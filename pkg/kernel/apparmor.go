package kernel

import (
	"path/filepath"
	"strings"
)

func (h Host) exeVars() []string {
	if exe := h.exe(); exe != "" {
		return []string{"EXE", shellWord(exe)}
	}
	return nil
}

// appArmorVars are the profile for our real path, its file name and the same
// profile as one shell word. AppArmor's own habit names a profile after the
// path, which keeps two copies of the program from fighting over one name.
func (h Host) appArmorVars() []string {
	exe := h.exe()
	exe = pick(exe == "", "/usr/bin/sandbox", exe)
	name := profileName(exe)
	head := "profile " + name + ` "` + aaEscape(exe) + `" flags=(unconfined) {`
	text := "abi <abi/4.0>,\ninclude <tunables/global>\n\n" + head + "\n  userns,\n}"
	line := shellWord("abi <abi/4.0>, " + head + " userns, }")
	return []string{"EXE", shellWord(exe), "PROFILE", name, "PROFILETEXT", text, "PROFILELINE", line}
}

// AppArmorProfile is the text of a profile that lets the program at that
// absolute path create user namespaces, and its usual file in /etc/apparmor.d.
func AppArmorProfile(exe string) (file, text string) {
	vars := Host{Exe: filepath.Clean(exe)}.appArmorVars()
	return "/etc/apparmor.d/" + vars[3], vars[5] + "\n"
}

// profileName keeps letters, digits and a few signs: it is also a file name and
// stands unquoted in a command.
func profileName(exe string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' {
			return '.'
		}
		if r < 0x80 && strings.ContainsRune("._-+", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.TrimPrefix(exe, "/"))
}

// aaEscape: these are patterns in a profile, apparmor.d(5), and a path is none.
func aaEscape(path string) string {
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune(`\"*?[]{}^`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
