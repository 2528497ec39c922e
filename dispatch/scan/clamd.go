package scan

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// ClamdOptions is how a clamd is reached.
type ClamdOptions struct {
	Network, Address string // as for net.Dial: "unix" or "tcp"
	// Timeout is for one message, from the connection to the verdict; 0 is one
	// minute.
	Timeout time.Duration
	// Concurrency is the most scans at a time; 0 is 8. A clamd takes as many
	// connections as it has threads, and drops others when its queue is full.
	Concurrency int
}

// Clamd is a Scanner that hands content to a clamd. It is safe for concurrent use.
type Clamd struct {
	o      ClamdOptions
	places chan struct{}
}

var _ Scanner = (*Clamd)(nil)

// Sizes of the dialogue.
const (
	chunkSize = 64 << 10
	// maxReply bounds what a clamd may say: "stream: NAME FOUND".
	maxReply = 1024
	// lastWords is how long to wait for what a clamd says before it hangs up.
	lastWords = time.Second
)

// NewClamd makes a scanner; nothing is connected before Scan.
func NewClamd(o ClamdOptions) *Clamd {
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	return &Clamd{o: o, places: make(chan struct{}, cmp.Or(o.Concurrency, 8))}
}

// Scan gives clamd's verdict on content. Everything but a whole answer to the
// whole content is an error.
func (c *Clamd) Scan(ctx context.Context, content io.Reader, size int64) (Verdict, error) {
	if err := c.enter(ctx); err != nil {
		return Verdict{}, fmt.Errorf("clamd: %w", err)
	}
	defer func() { <-c.places }()
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, c.o.Network, c.o.Address)
	if err != nil {
		return Verdict{}, fmt.Errorf("clamd: %w", err)
	}
	defer func() { _ = conn.Close() }()
	// The end of the context, the time-out with it, ends the dialogue.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	sent := send(conn, content, size)
	if errors.Is(sent, errContent) {
		return Verdict{}, fmt.Errorf("clamd: %w", sent)
	}
	if sent != nil {
		// It hangs up on content over its limit, but says so first.
		defer time.AfterFunc(lastWords, cancel).Stop()
	}
	reply, err := receive(conn)
	switch {
	case sent != nil && err == nil:
		err = fmt.Errorf("%w: it said %q", sent, reply)
	case sent != nil:
		err = sent
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("clamd: %w", err)
	}
	return read(reply)
}

// enter waits for a place, but no longer than a scan may take: behind a clamd that
// hangs, messages that need no scan must not wait for ever.
func (c *Clamd) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	select {
	case c.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var (
	errContent = errors.New("content could not be read")
	errReply   = errors.New("reply makes no sense")
)

// send writes the command and the content: chunks with their length before
// them, the last of length zero.
func send(w io.Writer, content io.Reader, size int64) error {
	if _, err := io.WriteString(w, "zINSTREAM\x00"); err != nil {
		return err
	}
	buf := make([]byte, 4+chunkSize)
	for {
		n, err := content.Read(buf[4:])
		if n > 0 {
			size -= int64(n)
			binary.BigEndian.PutUint32(buf, uint32(n))
			if _, err := w.Write(buf[:4+n]); err != nil {
				return err
			}
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) && size == 0 {
			_, err := w.Write([]byte{0, 0, 0, 0})
			return err
		}
		// Without the last chunk clamd gives no verdict on half a message.
		return fmt.Errorf("%w: %w", errContent, err)
	}
}

// receive reads the reply, which a zero octet ends.
func receive(r io.Reader) (string, error) {
	reply, err := bufio.NewReaderSize(r, maxReply).ReadSlice(0)
	switch {
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return string(reply[:len(reply)-1]), nil
}

// policies begin the names of what clamd finds by its own rules and not by the
// signature of a known threat: such a message is no attack, and its sender should
// know why it did not go.
var policies = [...]string{
	"Heuristics.Encrypted.", "Heuristics.OLE2.ContainsMacros", "Heuristics.Limits.Exceeded", "Heuristics.Structured.", "PUA.",
}

// read turns a reply into a verdict. Only the exact words of a clean stream let
// a message through.
func read(reply string) (Verdict, error) {
	text, ok := strings.CutPrefix(reply, "stream: ")
	if ok && text == "OK" {
		return Verdict{Kind: Clean}, nil
	}
	name, found := strings.CutSuffix(text, " FOUND")
	if !ok || !found || name == "" {
		return Verdict{}, fmt.Errorf("clamd: %w: %q", errReply, reply)
	}
	for _, p := range policies {
		if strings.HasPrefix(name, p) {
			return Verdict{Kind: Refused, Name: name,
				Reply: *mail.Refuse(554, 6, 0, "Message content is refused: "+printable(name))}, nil
		}
	}
	return Verdict{Kind: Infected, Name: name}, nil
}

// printable keeps a scanner's words fit for a reply.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
