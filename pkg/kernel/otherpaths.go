package kernel

// OtherPaths returns the other paths at which what lies at these can be seen, where the file system of each, or a part of it
// that holds it, is mounted again. None of them need be there: the table knows mounts, and no files.
func (t *Table) OtherPaths(paths []string) (others []string) {
	again := make(map[string][]*mount, len(t.mounts))
	for i, m := range t.mounts {
		again[m.dev] = append(again[m.dev], &t.mounts[i])
	}
	for _, path := range paths {
		own := t.at(path)
		if own == nil || len(again[own.dev]) < 2 {
			continue
		}
		_, inFS, _ := t.inFS(Place{Path: path, Mount: uint64(own.id)})
		for _, m := range again[own.dev] {
			if m.id == own.id || !under(inFS, m.root) {
				continue
			}
			if other := m.shows(inFS); other != path {
				others = append(others, other)
			}
		}
	}
	return others
}
