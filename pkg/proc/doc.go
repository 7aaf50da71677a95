// Package proc tells which process that is: by pid, start time and boot, through
// a pidfd, and by what /proc says of it.
//
// A pid alone is nobody's name: it is given to another process as soon as its
// owner has been waited for. With the start time and the boot it is one process's
// for good ([ID]), and what is done to a process is done through a pidfd that was
// opened before the process was looked at.
//
// Side of the fork: the parent's. It imports no other package of this module.
package proc
