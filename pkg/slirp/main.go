package slirp

import "runtime"

// mainThread runs functions on the process's first thread: a child's PDEATHSIG is
// sent when the thread ends that made it, and that one never does (prctl(2)).
var mainThread = make(chan func())

// OnMain runs what the helper has to do on the first thread, until done. The
// caller is the main goroutine, locked since its init.
func (h *Helper) OnMain(serve func() error) error {
	runtime.LockOSThread()
	done := make(chan error, 1)
	go func() { done <- serve() }()
	for {
		select {
		case f := <-mainThread:
			f()
		case err := <-done:
			return err
		}
	}
}

func onMain(f func() error) error {
	result := make(chan error, 1)
	mainThread <- func() { result <- f() }
	return <-result
}
