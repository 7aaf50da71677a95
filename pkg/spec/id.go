package spec

import "fmt"

// maxID is the longest container ID. The ID becomes one path component below the state directory, so
// NAME_MAX (255) is the real limit for most; the state package says what it does with longer ones.
const maxID = 1024

// ValidID checks a container ID: letters, digits, "_", "+", "-" and ".", at most 1024 bytes, and neither
// "." nor "..", for an ID is used as a directory's name. The rule and the words are runc's
// (clients match on "invalid container ID format").
func ValidID(id string) error {
	if len(id) > maxID {
		return fmt.Errorf("invalid container ID format: %d bytes, at most %d are allowed", len(id), maxID)
	}
	if id == "" || id == "." || id == ".." {
		return fmt.Errorf("invalid container ID format: %q", id)
	}
	for i := range len(id) {
		if !idByte(id[i]) {
			return fmt.Errorf("invalid container ID format: %q has %q in it: use letters, digits and ._+-", id, id[i])
		}
	}
	return nil
}

func idByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '_' || c == '+' || c == '-' || c == '.'
}
