package worktree

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// watch sees git try to write a configuration that it cannot replace: it makes config.lock first. Without it, people would
// only know that `git push -u` or `git config` said "Device or resource busy".
type watch struct {
	mu    sync.Mutex
	fd    int // of inotify(7); 0 while nothing is watched
	names map[int32]string
	dirs  []*handle.Handle // the git directories
	over  bool
}

// Watches says whether there is anything to look at.
func (g *Guard) Watches() bool { return len(g.watched.dirs) > 0 }

// Watch begins to look. To end a watch costs some milliseconds, for the kernel waits until nobody can be using it any
// more: so it is not worth it for a command that ends at once. Where the kernel has no more watches for us
// (fs.inotify.max_user_instances), nothing is told.
func (g *Guard) Watch() {
	w := &g.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.fd != 0 || len(w.dirs) == 0 {
		return
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	w.fd, w.names = fd, map[int32]string{}
	for _, d := range w.dirs {
		if wd, err := unix.InotifyAddWatch(fd, d.Name(), unix.IN_CREATE|unix.IN_ONLYDIR); err == nil {
			w.names[int32(wd)] = g.shown(d, "")
		}
	}
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.fd != 0 {
		unix.Close(w.fd)
	}
	w.dirs, w.fd = nil, 0
}

// tell says which configurations git could not write.
func (w *watch) tell(g *Guard) (told []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd == 0 {
		return nil
	}
	buf := make([]byte, 64<<10)
	tried := map[string]bool{}
	for {
		n, err := unix.Read(w.fd, buf)
		if n <= 0 || err != nil {
			break
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			wd := int32(uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16 | uint32(rest[3])<<24)
			size := int(rest[12]) | int(rest[13])<<8
			end := unix.SizeofInotifyEvent + size
			if end > len(rest) {
				break
			}
			name := strings.TrimRight(string(rest[unix.SizeofInotifyEvent:end]), "\x00")
			if what, lock := strings.CutSuffix(name, ".lock"); lock && (what == "config" || what == "config.worktree") {
				tried[filepath.Join(w.names[wd], what)] = true
			}
			rest = rest[end:]
		}
	}
	for path := range tried {
		if !g.excepted(filepath.Join(g.dir.Path, path)) && !g.excepted(path) {
			told = append(told, fmt.Sprintf("git could not write %s, which is read-only for the command: --no-protect=%[1]s lets it", Quote(path)))
		}
	}
	return told
}
