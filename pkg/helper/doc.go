// Package helper knows which program of the host is run for us, and why that one is believed.
//
// What a payload of an earlier sandbox wrote must not be run outside by the next start. $PATH says where its owner looks
// for programs, and a virtual environment of the shared working directory stands first in it. So a name is looked up in
// the directories of $PATH and in the usual ones, but only where nobody but root can have put it: every directory that
// the kernel comes through from / on is owned by root and writable by nobody else ([Finder.Find]). Where that finds
// nothing: beside our own program, then what the caller's configuration names; both lie outside of all that is shared
// with commands now, and nobody else can write there. What the caller names on the command line comes before all of it.
//
// Everything is decided by descriptors, and what is not in root's directories is executed by the one that was looked at.
//
// It works on the caller's side of the fork, and must not import any other package of this module.
package helper
