package state

// Status is where a container is between create and delete (runtime-spec,
// "State").
type Status string

// The statuses; Creating is only seen by hooks.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)
