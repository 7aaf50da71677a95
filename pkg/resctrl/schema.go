package resctrl

import (
	"fmt"
	"strings"
)

// holds says whether the text of a schemata file has all that a line of a
// description asks for. The kernel writes spaces, zeros and domains of its own
// into what it was given, so they are compared by their meaning.
func holds(file, line string) error {
	resource, want := parse(line)
	for have := range strings.Lines(file) {
		name, domains := parse(have)
		if name != resource {
			continue
		}
		for domain, value := range want {
			if domains[domain] != value {
				return fmt.Errorf("%s is %q there, not %q", resource, strings.TrimSpace(have), line)
			}
		}
		return nil
	}
	return fmt.Errorf("there is no %s there, asked for is %q", resource, line)
}

// parse takes "L3:0=0ff;1=ff" apart, numbers without their leading zeros.
func parse(line string) (resource string, domains map[string]string) {
	resource, list, _ := strings.Cut(strings.TrimSpace(line), ":")
	domains = map[string]string{}
	for _, d := range strings.Split(list, ";") {
		id, value, _ := strings.Cut(d, "=")
		domains[number(id)] = number(value)
	}
	return strings.TrimSpace(resource), domains
}

func number(text string) string {
	return strings.ToLower(strings.TrimLeft(strings.TrimSpace(text), "0"))
}
