// Package worktree knows what in a directory of the caller's is run or believed outside of the sandbox later, though
// nobody asks for it by name: the hooks and the configuration of git, the tasks of editors, our own binary.
//
// A command that shares such a directory could leave something there that acts for it when it has ended, with all that the
// caller may do: `git status`, or a prompt that calls it, obeys .git/config. So a [Guard] says what of it the command gets
// read-only, which directories on the way have to be mount points (a mount point can be neither renamed nor removed, but the
// directory that it lies in can), and, when the command has ended, what is there now that was not at the start: that is
// moved aside and told, for what does not exist cannot be mounted on, and a placeholder would stay behind.
//
// Everything is found and changed by descriptors, below the shared directory's own, and no link is followed that leads out.
// It works on the caller's side of the fork and imports nothing of ours but the handles.
package worktree
