package main

import (
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"
)

// progress is what is told of layers on their way: a bar for each on a terminal, a line for each where nobody watches, and
// nothing with --quiet.
type progress struct {
	quiet bool
	dir   string // where what comes is kept meanwhile
	bars  *mpb.Progress
	bar   []*mpb.Bar
	short []string
}

func newProgress(quiet bool, dir string) *progress {
	p := &progress{quiet: quiet, dir: dir}
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err == nil && !quiet {
		p.bars = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40))
	}
	return p
}

// say is a line for people.
func (p *progress) say(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

func (p *progress) begin(parts *parts) {
	p.bar = make([]*mpb.Bar, len(parts.layers))
	for i, l := range parts.layers {
		p.short = append(p.short[:i], l.digest.Encoded()[:12])
		if p.bars != nil {
			p.bar[i] = p.bars.AddBar(l.size, mpb.PrependDecorators(decor.Name("Copying blob "+p.short[i]+" ")), mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
		}
	}
}

// fetching counts what comes of a layer, from its beginning on.
func (p *progress) fetching(i int, in io.Reader) io.Reader {
	if p.bars == nil {
		p.say("Copying blob %s", p.short[i])
		return in
	}
	p.bar[i].SetCurrent(0)
	counted, err := p.bar[i].ProxyReader(in)
	if err != nil {
		return in
	}
	return counted
}

func (p *progress) have(i int) {
	if p.bars == nil {
		p.say("Copying blob %s skipped: already exists", p.short[i])
		return
	}
	p.bar[i].SetTotal(-1, true)
}

func (p *progress) done(i int) {
	if p.bars != nil {
		p.bar[i].SetTotal(-1, true)
	}
}

// end leaves the terminal as it was.
func (p *progress) end() {
	if p.bars == nil {
		return
	}
	for _, b := range p.bar {
		b.Abort(false)
	}
	p.bars.Wait()
	p.bars = nil
}
