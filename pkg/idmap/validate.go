package idmap

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// maxExtents is UID_GID_MAP_MAX_EXTENTS of Linux 4.15 and later.
const maxExtents = 340

// maxText is the longest map in bytes: the kernel wants it in one write(2) that
// is shorter than a page (map_write in kernel/user_namespace.c), so long numbers
// can run out of room before maxExtents does.
func maxText() int { return os.Getpagesize() - 1 }

// Validate says why the kernel would refuse the map, with the extent to blame;
// the kernel itself says only EINVAL. The identity is valid.
func (m Map) Validate() error {
	if m.IsIdentity() {
		return nil
	}
	if err := valid(m.UIDs); err != nil {
		return fmt.Errorf("uid map: %w", err)
	}
	if err := valid(m.GIDs); err != nil {
		return fmt.Errorf("gid map: %w", err)
	}
	return nil
}

func valid(extents []Extent) error {
	switch {
	case len(extents) == 0:
		return errors.New("no extents, while the other map has some: map at least one id in both")
	case len(extents) > maxExtents:
		return fmt.Errorf("%d extents, the kernel takes at most %d", len(extents), maxExtents)
	}
	for _, e := range extents {
		if err := e.valid(); err != nil {
			return err
		}
	}
	if n := len(text(extents)); n > maxText() {
		return fmt.Errorf("%d bytes of text, the kernel takes at most %d", n, maxText())
	}
	if err := disjoint(extents, "container", func(e Extent) uint32 { return e.Container }); err != nil {
		return err
	}
	return disjoint(extents, "host", func(e Extent) uint32 { return e.Host })
}

func (e Extent) valid() error {
	switch {
	case e.Size == 0:
		return fmt.Errorf("extent %v has size 0", e)
	case uint64(e.Container)+uint64(e.Size) > NoID:
		return fmt.Errorf("extent %v: container ids go past %d", e, uint32(NoID-1))
	case uint64(e.Host)+uint64(e.Size) > NoID:
		return fmt.Errorf("extent %v: host ids go past %d", e, uint32(NoID-1))
	}
	return nil
}

func disjoint(extents []Extent, side string, start func(Extent) uint32) error {
	sorted := slices.Clone(extents)
	slices.SortFunc(sorted, func(a, b Extent) int { return int(int64(start(a)) - int64(start(b))) })
	for i := 1; i < len(sorted); i++ {
		a, b := sorted[i-1], sorted[i]
		if start(b)-start(a) < a.Size {
			return fmt.Errorf("extents %v and %v overlap in %s ids", a, b, side)
		}
	}
	return nil
}

// String is podman's and newuidmap's way to write an extent: container:host:size.
func (e Extent) String() string {
	return fmt.Sprintf("%d:%d:%d", e.Container, e.Host, e.Size)
}

// text is what is written to uid_map: one line an extent.
func text(extents []Extent) []byte {
	b := make([]byte, 0, 32*len(extents))
	for _, e := range extents {
		b = strconv.AppendUint(b, uint64(e.Container), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(e.Host), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(e.Size), 10)
		b = append(b, '\n')
	}
	return b
}
