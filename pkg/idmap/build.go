package idmap

// Single maps exactly one id, the caller's. It is the only map an ordinary user
// can write without a helper (user_namespaces(7)).
func Single(containerUID, containerGID uint32, c Caller) Map {
	return Map{
		UIDs: []Extent{{containerUID, c.UID, 1}},
		GIDs: []Extent{{containerGID, c.GID, 1}},
	}
}

// Subordinate maps container id 0 to the caller and 1, 2, ... to the ranges,
// packed in the order given, which is the order of the files, so a tree unpacked
// by podman has the same owners here.
func Subordinate(c Caller, uids, gids []Range) Map {
	return KeepID(0, 0, c, uids, gids)
}

// KeepID maps container ids uid and gid to the caller, and the ids around them
// to the ranges: 0 to uid-1 first, then uid+1 and on. This is podman's keep-id,
// with c.UID and c.GID, or what its uid= and gid= say.
func KeepID(uid, gid uint32, c Caller, uids, gids []Range) Map {
	return Map{UIDs: around(uid, c.UID, uids), GIDs: around(gid, c.GID, gids)}
}

// around packs ranges on both sides of the one id that is the caller's.
func around(self, host uint32, ranges []Range) []Extent {
	var out []Extent
	own := Extent{self, host, 1}
	var next uint32
	for _, r := range ranges {
		if next < self {
			var below Range
			below, r = r.split(self - next)
			out = appendExtent(out, next, below)
			next += below.Count
		}
		if next == self {
			out = append(out, own)
			next++
		}
		if next > self {
			r, _ = r.split(NoID - next) // container ids end where ids end
			out = appendExtent(out, next, r)
			next += r.Count
		}
	}
	if next <= self {
		out = append(out, own)
	}
	return fit(out, own)
}

func appendExtent(out []Extent, container uint32, r Range) []Extent {
	if r.Count == 0 {
		return out
	}
	return append(out, Extent{container, r.Start, r.Count})
}

// fit drops the last extents until the kernel takes the map. Hundreds of ranges
// for one user are somebody's accident; fewer ids are better than no container.
func fit(extents []Extent, own Extent) []Extent {
	for len(extents) > maxExtents || len(text(extents)) > maxText() {
		last := len(extents) - 1
		if extents[last] == own {
			extents[last-1] = own
		}
		extents = extents[:last]
	}
	return extents
}

// everything maps each id of the current namespace to itself: what root of a
// container gets when it may write any map but lacks CAP_SYS_ADMIN. Inside the
// new namespace it then has what it needs, and every id keeps its number.
func everything(namespace Map) Map {
	same := func(extents []Extent) []Extent {
		out := make([]Extent, len(extents))
		for i, e := range extents {
			out[i] = Extent{e.Container, e.Container, e.Size}
		}
		return out
	}
	return Map{UIDs: same(namespace.UIDs), GIDs: same(namespace.GIDs)}
}
