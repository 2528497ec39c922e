package submission

import (
	"context"
	"errors"
	"io"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// maxHeader bounds the header section of a message in octets, and maxHeaders those
// that are in memory at a time: of messages that have come in full, not of those
// whose senders take their time. The others wait.
const (
	maxHeader  = 256 << 10
	maxHeaders = 32 << 20
)

// receiveBuf is the size of one read from the door in octets.
const receiveBuf = 32 << 10

// receive streams the content into the draft and gives the size of its header
// section with the empty line. It reads to the true end whatever happens on our side, so that
// the session stays in step; the first refusal is what it returns.
func (d *Desk) receive(draft queue.Draft, content io.Reader) (int, error) {
	var (
		header  = message.Splitter{Max: maxHeader}
		refusal error
		buf     = d.bufs.Get().(*[receiveBuf]byte)
	)
	defer d.bufs.Put(buf)
	for {
		n, err := content.Read(buf[:])
		if n > 0 && refusal == nil {
			refusal = d.keep(draft, &header, buf[:n])
		}
		switch {
		case errors.Is(err, io.EOF):
			if refusal != nil {
				return 0, refusal
			}
			return header.Size(), nil
		case err != nil:
			return 0, err
		}
	}
}

func (d *Desk) keep(draft queue.Draft, header *message.Splitter, p []byte) error {
	if draft.Size()+int64(len(p)) > d.o.MessageBytes {
		draft.Discard()
		return errTooLong
	}
	if _, err := draft.Write(p); err != nil {
		draft.Discard()
		return storageReply(err)
	}
	if _, err := header.Feed(p); err != nil {
		draft.Discard()
		return malformed(err)
	}
	return nil
}

// header takes the header section back from the draft. The caller gives it up with
// done when it has no more use for it.
func (d *Desk) header(ctx context.Context, draft queue.Draft, size int) (header []byte, done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, errTemporary.WithCause(err) // the session ends
	}
	if !d.headers.TryAcquire(int64(size)) {
		l := &mail.Limit{Name: mail.LimitHeaderMemory, Whose: "server", Max: maxHeaders, Used: maxHeaders, Unit: "octets of header sections"}
		d.metrics.limit(l)
		if err := d.headers.Acquire(ctx, int64(size)); err != nil {
			l.Err = err
			return nil, nil, errTemporary.WithCause(l)
		}
	}
	done = func() { d.headers.Release(int64(size)) }
	header = make([]byte, size)
	if n, err := draft.ReadAt(header, 0); n < size {
		done()
		return nil, nil, errTemporary.WithCause(err)
	}
	return header, done, nil
}
