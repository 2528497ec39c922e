package submission

import (
	"errors"
	"io"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// maxHeader bounds the header section in octets; it is kept in memory.
const maxHeader = 256 << 10

// receiveBuf is the size of one read from the door in octets.
const receiveBuf = 32 << 10

// receive streams the content into the draft and gives its header section with
// the empty line. It reads to the true end whatever happens on our side, so that
// the session stays in step; the first refusal is what it returns.
func (d *Desk) receive(draft queue.Draft, content io.Reader) ([]byte, error) {
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
				return nil, refusal
			}
			return header.Header(), nil
		case err != nil:
			return nil, err
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
