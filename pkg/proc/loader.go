package proc

import "golang.org/x/sys/unix"

// NeedsLoader says whether this program was started by way of a loader, as one is that was built with cgo: it cannot be
// executed again where the loader is not.
func NeedsLoader() bool { return hasLoader(ownVector()) }

// hasLoader looks into the auxiliary vector, in which the kernel tells a program of its loader (getauxval(3)): AT_BASE is
// where that one lies.
func hasLoader(vector [][2]uintptr) bool {
	const atBase = 7
	for _, pair := range vector {
		if pair[0] == atBase {
			return pair[1] != 0
		}
	}
	return false
}

// ownVector is this program's, nil where there is none.
func ownVector() [][2]uintptr {
	vector, err := unix.Auxv()
	if err != nil {
		return nil
	}
	return vector
}
