package kernel

import (
	"strconv"
)

// Who is the person that the fixes for id maps are written to.
type Who struct {
	Name string // login name; without one there is nothing that usermod could change
	UID  int
	GID  int
	// SubUIDs and SubGIDs are free ranges as usermod takes them, "A-B", best
	// from whoever read /etc/subuid. "" computes a range from the uid, which
	// differs from user to user and lies above what useradd hands out first.
	SubUIDs, SubGIDs string
	NoRoom           bool // the user namespace has no ids that a line of /etc/subuid could give
}

// idMapReasons are the reasons for which a range of ids could not be used, as
// pkg/idmap names them.
var idMapReasons = [...]struct {
	reason string
	code   Code
}{
	{"no-range", IDMapNoRange},
	{"other-range", IDMapRange},
	{"no-helper", IDMapNoHelper},
	{"helper-not-privileged", IDMapHelper},
	{"no-new-privs", IDMapNoNew},
	{"bounding", IDMapBounding},
	{"nosuid", IDMapNosuid},
	{"outside-namespace", IDMapOutside},
	{"map-outside", IDMapOutside},
	{"no-name", IDMapNoName},
	{"other-group", IDMapGroup},
	{"no-setfcap", IDMapNoSetfcap},
}

// InsideContainer fits the 65,536 ids that outer containers usually have.
const InsideContainer = "10000-65535"

// IDMapCause is the cause for a reason of pkg/idmap. One that it does not know
// gives a cause that says so, as with [New].
func IDMapCause(reason, evidence string, who Who) Cause {
	for _, r := range idMapReasons {
		if r.reason != reason {
			continue
		}
		vars := who.vars()
		switch reason {
		case "outside-namespace":
			vars = who.inside().vars()
		case "map-outside": // more ids in /etc/subuid would change nothing
			vars = []string{"IFMAP", Holds}
		}
		return fill(r.code, vars, evidence)
	}
	return New(Code(reason), evidence)
}

func (w Who) inside() Who {
	w.SubUIDs = pick(w.SubUIDs == "", InsideContainer, w.SubUIDs)
	w.SubGIDs = pick(w.SubGIDs == "", InsideContainer, w.SubGIDs)
	return w
}

func (w Who) vars() []string {
	free := freeRange(w.UID)
	if w.NoRoom {
		free, w.SubUIDs, w.SubGIDs = "", "", ""
	}
	return []string{"NAME", shellName(w.Name), "UID", strconv.Itoa(w.UID), "GID", strconv.Itoa(w.GID),
		"UIDS", pick(w.SubUIDs == "", free, w.SubUIDs),
		"GIDS", pick(w.SubGIDs == "", free, w.SubGIDs)}
}

// freeRange: useradd hands out from 100000 upwards, so a range there is likely
// to be taken. usermod does not check for overlaps. 59,000 slots of 65,536 ids
// fit between 524288 and the end of 32 bits.
func freeRange(uid int) string {
	const first, count, slots = 524288, 65536, 59000
	slot := int64(uid) % slots
	if slot < 0 {
		slot = 0
	}
	start := first + slot*count
	return strconv.FormatInt(start, 10) + "-" + strconv.FormatInt(start+count-1, 10)
}
