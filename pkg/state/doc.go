// Package state is what is written down of a container, and who may change it: one directory per container, with its
// record, links to what a start has made outside of it, and a lock. Nothing here acts on a container; package lifecycle
// does, in other processes and long after.
//
// What is found is believed only where nobody but us can have written it: a record names processes to kill and programs
// to run.
package state
