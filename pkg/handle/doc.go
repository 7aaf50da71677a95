// Package handle is a file of the host that is opened once: what is decided about it is decided on its descriptor, and
// what is used later is that same file.
//
// A path means something else whenever somebody renames a directory or puts a link in its place, and a command that ran
// here before may still be running and do so thousands of times a second. So a path of the host that matters is opened by
// [Set.Open] when it is first looked at. Whoever needs it later gets the same descriptor; and where only a name will do (a
// child in a new mount namespace cannot clone a mount of its parent's), the file that the name then leads to is compared by
// device and inode, which the open descriptor keeps from being used again, and another one is an error.
//
// It works on the caller's side of the fork and imports nothing of ours.
package handle
