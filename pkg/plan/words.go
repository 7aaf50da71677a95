package plan

// Names of gates and notes that whoever runs a plan understands.
const (
	GateMapped = "mapped" // answered when the id maps are written
	NoteBorn   = "born"   // the first word of a process made by [Plan.Fork]
	NoteExec   = "exec"   // the last word before execve
	// NoteInit is the first word of a payload whose parent, the process that
	// was made, stays as the container's init.
	NoteInit = "init"
)
