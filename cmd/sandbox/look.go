package main

import "sandbox/pkg/kernel"

// hostLook is what a start on the host's tree asks the kernel for, when it comes to need it.
type hostLook struct {
	host  kernel.Host
	table *kernel.Table
}

func (l *hostLook) mounts() *kernel.Table {
	if l.table == nil {
		l.table = l.host.Table()
	}
	return l.table
}

func (l *hostLook) Views(homes []kernel.Place, shared kernel.Place) ([]kernel.Place, []string) {
	return l.mounts().Views(homes, shared)
}

func (l *hostLook) Kernels() ([]kernel.Place, []string) { return l.mounts().Kernels() }
func (l *hostLook) Plain() bool                         { return l.mounts().Plain() }
func (l *hostLook) Below(path string) []kernel.Place    { return l.mounts().Below(path) }
func (l *hostLook) OtherPaths(paths []string) []string  { return l.mounts().OtherPaths(paths) }
func (l *hostLook) Err() error                          { return l.mounts().Err() }
func (l *hostLook) Again()                              { l.mounts().Again() }
