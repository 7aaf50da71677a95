package kernel

import (
	"path/filepath"
	"strconv"
	"strings"

	"sandbox/pkg/proc"
)

// Sockets lists the unix sockets of this network namespace that have an absolute path and can be spoken to: those that
// listen, and those of datagrams, each once (proc_net(5), "unix"). A socket of another network namespace is not in that
// list, and has a path all the same.
func (h Host) Sockets() []string {
	data, err := proc.ReadFile(h.proc("net/unix"))
	if err != nil {
		return nil
	}
	var paths []string
	known := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		// Num: RefCount Protocol Flags Type St Inode Path. The inode is padded, and the path may have spaces in it.
		var f [7]string
		rest := strings.TrimRight(line, "\n")
		for i := range f {
			f[i], rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
		}
		const listens, datagram = 0x10000, 2 // __SO_ACCEPTCON of net.h, SOCK_DGRAM
		flags, _ := strconv.ParseUint(f[3], 16, 32)
		kind, _ := strconv.ParseUint(f[4], 16, 16)
		if filepath.IsAbs(rest) && (flags&listens != 0 || kind == datagram) && !known[rest] {
			known[rest] = true
			paths = append(paths, rest)
		}
	}
	return paths
}
