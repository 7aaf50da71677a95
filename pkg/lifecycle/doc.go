// Package lifecycle is the verbs of a container (create, start, run, exec,
// kill, delete, ...), which move its recorded state. One file a verb.
//
//	             create                start              the payload ends
//	(nothing) ──────────► created ──────────► running ──────────► stopped
//	                         └──── run does both ────┘                │
//	(nothing) ◄──────────────────── delete ───────────────────────────┘
//
// What exists is recorded in one directory per container (package state). Nothing else
// lives on: no daemon, no monitor. A created container is a process held at
// its last gate, a socket in that directory; start is one byte to it and works
// when every other process has died.
//
// Side of the fork: the parent. It composes the steps of world, rootfs and
// confine into one plan (program.go) and has userns run it. It must not import cobra or
// image.
package lifecycle
