package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// atOnce is how many layers come at the same time, tries how often one is asked for. A registry that is overloaded recovers in
// seconds.
const atOnce, tries = 3, 4

// fetching are layers on their way, each into a file without a name: what a killed pull leaves is gone with it.
type fetching struct {
	layers []chan fetched
	stop   chan struct{}
	once   sync.Once
	dir    string
}

type fetched struct {
	file *os.File
	err  error
}

// fetch begins with those layers that are not there yet.
func fetch(parts *parts, have func(int) bool, p *progress) *fetching {
	f := &fetching{layers: make([]chan fetched, len(parts.layers)), stop: make(chan struct{}), dir: p.dir}
	slots := make(chan struct{}, atOnce)
	p.begin(parts)
	for i := range parts.layers {
		f.layers[i] = make(chan fetched, 1)
		if have(i) {
			continue
		}
		go func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-f.stop:
				return
			}
			file, err := f.one(parts.layers[i], i, p)
			f.layers[i] <- fetched{file, err}
		}()
	}
	return f
}

// one fetches a layer. What comes is compared with its digest and size by who reads it to its end.
func (f *fetching) one(l blob, i int, p *progress) (file *os.File, err error) {
	for try, pause := 1, time.Second; ; try, pause = try+1, 2*pause {
		if file, err = f.attempt(l, i, p); err == nil {
			return file, nil
		}
		if try == tries || permanent(err) {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-f.stop:
			return nil, err
		}
	}
}

func (f *fetching) attempt(l blob, i int, p *progress) (*os.File, error) {
	file, err := os.CreateTemp(f.dir, ".sandbox-layer-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name())
	in, err := l.Compressed()
	if err == nil {
		_, err = io.Copy(file, p.fetching(i, in))
		err = errors.Join(err, in.Close())
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// wait is a layer that has come.
func (f *fetching) wait(i int) (*os.File, error) {
	got := <-f.layers[i]
	return got.file, got.err
}

// close lets go of what still comes.
func (f *fetching) close() { f.once.Do(func() { close(f.stop) }) }

// tooLarge ends what unpacks to more than anybody wants.
type tooLarge struct {
	in   io.Reader
	left int64
}

func (t *tooLarge) Read(b []byte) (int, error) {
	if t.left <= 0 {
		return 0, fmt.Errorf("it unpacks to more than %d bytes: --max-size allows more", maxSize)
	}
	n, err := t.in.Read(b[:min(int64(len(b)), t.left)])
	t.left -= int64(n)
	return n, err
}

// maxSize bounds what one layer unpacks to, in bytes.
var maxSize int64 = 64 << 30
