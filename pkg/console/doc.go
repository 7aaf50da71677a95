// Package console moves a container's terminal between the three who hold an end of it: the payload, whose pty the plan
// allocates inside the container; the caller, at whose terminal a foreground run or exec sits; and the receiver behind a
// console socket, which is somebody else's program.
//
// It works on the caller's side of the fork only. The child sends the pty's master with a plain sendmsg step on a socket
// that Dial or Pair prepared; everything here happens before or after that.
//
// It knows terminals and sockets, not containers: it must not import lifecycle or spec. It does not import net either,
// whose package initialisation would be paid by every command that never sees a terminal.
package console
