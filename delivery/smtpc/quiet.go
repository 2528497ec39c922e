package smtpc

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// surplus reports whether octets were taken off the socket that nobody has asked
// for yet.
func (c *Client) surplus() bool { return c.buffered() == nil }

// buffered gives nil if there is something to read without the socket, and
// os.ErrDeadlineExceeded if there is nothing.
func (c *Client) buffered() error {
	// With its time over, a read gives what TLS holds and leaves the socket alone.
	if err := c.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	_, err := c.r.Peek(1)
	return err
}

// quiet reports whether the host says nothing, and has not hung up either. When
// a transaction begins every reply has been read; what comes all the same would
// be taken for the answer to the next command, and a message that was refused
// for one that was accepted.
func (c *Client) quiet() bool {
	if !errors.Is(c.buffered(), os.ErrDeadlineExceeded) {
		return false
	}
	s, ok := c.raw.(syscall.Conn)
	if !ok {
		return true
	}
	socket, err := s.SyscallConn()
	if err == nil {
		err = c.raw.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return false
	}
	nothing := false
	err = socket.Read(func(fd uintptr) bool {
		// The socket does not block; what this takes off it was not for us.
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		nothing = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && nothing
}
