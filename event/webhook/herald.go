package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of what a Herald says.
const (
	heraldWaits = 256 // texts that wait
	heraldTries = 4
	heraldPause = 2 * time.Second // before the second try, then twice as long each time
)

// Herald posts texts that are no events, such as that a topic was found. They are
// worth a few tries and no place on disk. It is safe for concurrent use.
type Herald struct {
	log   *slog.Logger
	texts chan heralded
}

type heralded struct {
	to                *SNS
	id, subject, text string
}

// NewHerald makes a herald; a nil log discards.
func NewHerald(log *slog.Logger) *Herald {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Herald{log, make(chan heralded, heraldWaits)}
}

// Say puts a text on its way. It never waits; what is too much at once is left out,
// and the log says so.
func (h *Herald) Say(to *SNS, id, subject, text string) {
	select {
	case h.texts <- heralded{to, id, subject, text}:
	default:
		h.log.Warn("topic was not told, too much is waiting", "text", to.o.Consumer)
	}
}

// Run posts what is said until ctx ends, and waits for all that it began.
func (h *Herald) Run(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case t := <-h.texts:
			g.Go(func() error {
				if err := h.post(ctx, t); err != nil {
					h.log.Info("topic was not told", "text", t.to.o.Consumer, "err", err)
				}
				return nil
			})
		}
	}
}

// post tries until the text is taken. An answer that is no 2xx is final: whoever
// does not know what to do with a text would not know it the next time.
func (h *Herald) post(ctx context.Context, t heralded) error {
	pause := heraldPause
	for try := 1; ; try++ {
		err := t.to.Say(ctx, t.id, t.subject, t.text)
		var status StatusError
		if err == nil || errors.As(err, &status) || try == heraldTries {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause *= 2
	}
}
