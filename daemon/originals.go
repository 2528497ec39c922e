package daemon

import (
	"context"
	"errors"
	"io"

	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// originals shows forward the messages of the spool: event may not know queue.
type originals struct{ spool queue.Spool }

func (o originals) Original(ctx context.Context, id mail.ID) (forward.Original, error) {
	m, waiting, err := o.spool.Load(ctx, id, nil)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return forward.Original{}, forward.ErrGone
	case errors.Is(err, queue.ErrDamaged):
		return forward.Original{}, forward.ErrDamaged
	case err != nil:
		return forward.Original{}, err
	}
	out := forward.Original{From: m.From, MessageID: m.MessageID, Accepted: m.Accepted, Waiting: len(waiting), Notice: m.Notice}
	if m.From.Null() || m.Notice {
		return out, nil
	}
	content, err := o.spool.Open(ctx, id)
	if errors.Is(err, queue.ErrDamaged) {
		return out, nil // the sender hears of it all the same
	}
	if err != nil {
		return forward.Original{}, err
	}
	header := make([]byte, m.HeaderSize)
	_, err = io.ReadFull(io.NewSectionReader(content, 0, m.HeaderSize), header)
	if cerr := content.Close(); cerr != nil || err != nil {
		return forward.Original{}, errors.Join(err, cerr)
	}
	out.Header = m.Edit.Apply(header)
	return out, nil
}
