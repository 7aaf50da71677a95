package idmap

// NoID is 2^32-1, which the kernel uses for "no such id" (setresuid(2)). It is
// the one 32-bit number that is never an id.
const NoID = 1<<32 - 1

// Extent is one line of /proc/PID/uid_map (user_namespaces(7)): Size ids that
// begin at Container inside are the ids that begin at Host outside. Host ids are
// those of the namespace that writes the map, which is not the initial one when
// we are nested.
type Extent struct{ Container, Host, Size uint32 }

// Map is the id map of a new user namespace. Its zero value is the identity: no
// user namespace is wanted, every id is itself.
type Map struct{ UIDs, GIDs []Extent }

// Caller is who typed: effective ids, because the kernel compares those when a
// map is written without privilege. Name is the passwd name, looked up with the
// directory service where there is one; it is empty for a uid without an entry.
type Caller struct {
	UID, GID uint32
	Name     string
	Groups   []uint32
}

// IsIdentity reports whether no user namespace is wanted.
func (m Map) IsIdentity() bool { return len(m.UIDs) == 0 && len(m.GIDs) == 0 }

// HostUID returns the host's id for a container's uid, and whether it is mapped.
// The identity returns the id unchanged.
func (m Map) HostUID(id uint32) (uint32, bool) { return m.out(m.UIDs, id) }

// HostGID is HostUID for groups.
func (m Map) HostGID(id uint32) (uint32, bool) { return m.out(m.GIDs, id) }

// ContainerUID returns the container's id for a host's uid, and whether it is
// mapped: the reverse of HostUID.
func (m Map) ContainerUID(id uint32) (uint32, bool) { return m.in(m.UIDs, id) }

// ContainerGID is ContainerUID for groups.
func (m Map) ContainerGID(id uint32) (uint32, bool) { return m.in(m.GIDs, id) }

func (m Map) out(extents []Extent, id uint32) (uint32, bool) {
	if m.IsIdentity() {
		return id, id != NoID
	}
	for _, e := range extents {
		if id >= e.Container && id-e.Container < e.Size {
			return e.Host + (id - e.Container), true
		}
	}
	return NoID, false
}

func (m Map) in(extents []Extent, id uint32) (uint32, bool) {
	if m.IsIdentity() {
		return id, id != NoID
	}
	for _, e := range extents {
		if id >= e.Host && id-e.Host < e.Size {
			return e.Container + (id - e.Host), true
		}
	}
	return NoID, false
}
