// Package outfile writes files at paths that somebody has typed: reports, logs, pid files, a first config.json.
//
// A program that ran in a sandbox before could write in the working directory, and has made there whatever it wanted: a link
// called report.json that leads to ~/.bashrc, one called out that leads to ~/.ssh, a FIFO, another name of a file. So
//
//   - nothing is written through a link in the last place: a file that is written whole replaces what has its name, one that is
//     appended to is refused;
//   - on the way, links are refused in the working directory and below it, which is what programs could write; elsewhere those
//     are followed that root or the caller has made (/var/run, a home on another disk);
//   - the directory is opened once, and the file made in it by its descriptor;
//   - /dev/stderr, /dev/fd/3 and the like are taken for what they say: descriptors that we were started with.
//
// It works on the caller's side of the fork only and imports nothing of ours.
package outfile
