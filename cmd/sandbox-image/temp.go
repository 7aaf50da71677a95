package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// temp is how the names of directories in the store begin that are there while a command runs. Whoever has made one holds a lock
// on it, so that what somebody has left who was killed is told from what is in use.
const temp = ".sandbox-"

// tempDir makes one, and removes those that were left; drop removes it.
func (s *opened) tempDir(purpose string) (dir string, drop func(), err error) {
	s.dropLeft()
	if dir, err = os.MkdirTemp(s.GraphRoot(), temp+purpose+"-"); err != nil {
		return "", nil, err
	}
	unlock, err := lockRoom(dir, unix.LOCK_EX)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		unlock()
	}, nil
}

// settled is how old a directory is at least that is taken for left: a new one may not have its lock yet.
const settled = time.Minute

// dropLeft removes what was left, as far as that goes: the next one tries again.
func (s *opened) dropLeft() {
	entries, _ := os.ReadDir(s.GraphRoot())
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !strings.HasPrefix(e.Name(), temp) || time.Since(info.ModTime()) < settled {
			continue
		}
		dir := filepath.Join(s.GraphRoot(), e.Name())
		if unlock, err := lockRoom(dir, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			_ = os.RemoveAll(dir)
			unlock()
		}
	}
}
