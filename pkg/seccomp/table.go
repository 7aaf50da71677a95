package seccomp

// Values of the table that are no plain numbers.
const (
	none = 1<<16 - 1
	// armPrivate is where the table keeps arm's own calls, 0x0f0000 and above.
	armPrivate      = 0xf000
	armPrivateBegin = 0x0f0000
)

// row is where a name is in the table, -1 when nobody knows it.
func row(name string) int {
	low, high := 0, rows
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch at := names[starts[mid]:starts[mid+1]]; {
		case at == name:
			return mid
		case at < name:
			low = mid + 1
		default:
			high = mid
		}
	}
	return -1
}

// number is the system call of a row on one architecture.
func (a *arch) number(row int) (nr uint32, ok bool) {
	n := uint32(numbers[row][a.column])
	switch {
	case n == none:
		return 0, false
	case n >= armPrivate:
		n += armPrivateBegin - armPrivate
	}
	return n | a.bit, true
}

// named is the number of a name that the package itself needs.
func (a *arch) named(name string) (uint32, bool) { return a.number(row(name)) }
