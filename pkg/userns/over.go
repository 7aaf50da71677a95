package userns

import "errors"

// ErrOver is a child that has nothing to become a part of any more. It may never get to its program, nor to its end: it is
// frozen with the group that it was born in, say, which nobody will thaw for it.
var ErrOver = errors.New("what the new process was to be a part of has ended")
