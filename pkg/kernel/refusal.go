package kernel

import (
	"strings"

	"sandbox/pkg/printable"
)

// Refusal is an error together with its cause. The errno below stays reachable
// for errors.Is and errors.As.
type Refusal struct {
	Cause Cause
	Err   error
}

// Error is one line: what failed, then why and what to do about it.
func (r *Refusal) Error() string {
	if r.Err == nil {
		return r.Cause.String()
	}
	// Errors that were joined are two.
	return printable.Text(strings.ReplaceAll(r.Err.Error(), "\n", "; ")) + ": " + r.Cause.String()
}

// Unwrap returns the error that the cause explains.
func (r *Refusal) Unwrap() error { return r.Err }
