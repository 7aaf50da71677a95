package cgroup2

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// PropertyPrefix begins the annotations that set properties of the scope.
const PropertyPrefix = "org.systemd.property."

// maxValue is more than any property of a scope needs.
const maxValue = 4096

// annotated are the properties that annotations ask for, with values in the text
// form of GVariant, as runc and crun read them. A name that ends in Sec is in
// seconds and becomes USec, which is what D-Bus knows.
func annotated(annotations map[string]string) ([]property, error) {
	var list []property
	for key, text := range annotations {
		name, ours := strings.CutPrefix(key, PropertyPrefix)
		if !ours {
			continue
		}
		p, err := propertyFrom(name, text)
		if err != nil {
			return nil, fmt.Errorf("annotations[%q]: %w", key, err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b property) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func propertyFrom(name, text string) (property, error) {
	if !validProperty(name) {
		return property{}, fmt.Errorf("no name of a property: at least three letters, the first one large")
	}
	switch name {
	case "PIDs", "Delegate", "Slice", "CollectMode":
		return property{}, fmt.Errorf("%s is what makes the scope the container's and cannot be changed", name)
	}
	// A message with a NUL byte in a string, or a very deep value, ends the
	// connection: systemd does not say why.
	// And the library's parser never ends on some characters outside of strings.
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) || len(text) > maxValue {
		return property{}, fmt.Errorf("%.20q: want at most %d characters, printable ASCII; \\uXXXX stands for others", text, maxValue)
	}
	value, err := parseValue(text)
	if err != nil {
		return property{}, fmt.Errorf("%q is no value in GVariant's text form, such as uint64 10 or 'text': %w", text, err)
	}
	if base, seconds := strings.CutSuffix(name, "Sec"); seconds && !strings.HasSuffix(name, "USec") {
		name = base + "USec"
		value, err = microseconds(value)
	}
	return property{name, value}, err
}

// parseValue reads GVariant's text form. The library's parser panics on some text
// that is none, such as an empty array of a type that is no array's.
func parseValue(text string) (v dbus.Variant, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return dbus.ParseVariant(text, dbus.Signature{})
}

func validProperty(name string) bool {
	for i, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (i == 0 || c < 'a' || c > 'z') {
			return false
		}
	}
	return len(name) > 2
}

// microseconds converts seconds, whole or not, of any number's type.
func microseconds(v dbus.Variant) (dbus.Variant, error) {
	var seconds float64
	switch n := reflect.ValueOf(v.Value()); {
	case n.CanInt():
		seconds = float64(n.Int())
	case n.CanUint():
		seconds = float64(n.Uint())
	case n.CanFloat():
		seconds = n.Float()
	default:
		return v, fmt.Errorf("want a number of seconds, not %s", v)
	}
	if us := seconds * 1e6; us >= 0 && us < 1<<63 {
		return dbus.MakeVariant(uint64(us)), nil
	}
	return v, fmt.Errorf("%v seconds are out of range", seconds)
}
