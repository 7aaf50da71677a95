package kernel

// OtherPaths returns the other paths at which what lies at these can be seen, where the file system of each, or a part of it
// that holds it, is mounted again. None of them need be there: the table knows mounts, and no files.
func (t *Table) OtherPaths(paths []string) (others []string) {
	type part struct{ dev, root string }
	shown := make(map[part][]*mount, len(t.mounts))
	for i := range t.mounts {
		m := &t.mounts[i]
		at := part{m.dev, m.root}
		shown[at] = append(shown[at], m)
	}
	for _, path := range paths {
		own := t.at(path)
		if own == nil {
			continue
		}
		_, inFS, _ := t.inFS(Place{Path: path, Mount: uint64(own.id)})
		for dir := range ways(inFS) {
			for _, m := range shown[part{own.dev, dir}] {
				if other := m.shows(inFS); m.id != own.id && other != path {
					others = append(others, other)
				}
			}
		}
	}
	return others
}
