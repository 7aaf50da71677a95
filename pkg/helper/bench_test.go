package helper

import "testing"

// What a start pays for one program, with the $PATH of a login shell.
func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		f := alone(map[string]string{"PATH": "/home/nobody/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
		if _, err := f.Find("sh", nil); err != nil {
			b.Fatal(err)
		}
	}
}
