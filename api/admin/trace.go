package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// Tracer finds the lives of messages; *trace.Recorder.
type Tracer interface {
	Find(ctx context.Context, q trace.Query) ([]trace.Story, error)
}

// TraceLine is one thing that happened to a message, or, with Next, what comes.
// Those of one message follow each other.
type TraceLine struct {
	// Message is whose life it is told in, zero for one that was refused.
	Message mail.ID `json:"message,omitzero"`
	trace.Record
	// Next is, behind the last record of a message, who still waits.
	Next []Recipient `json:"next,omitempty"`
	// Cut counts, there too, the records that were left out.
	Cut int `json:"cut,omitempty"`
}

// TraceQuery says which messages to tell of; empty fields do not narrow.
type TraceQuery struct {
	ID, To, From, MessageID string
	Client, User            string // network address and name at AUTH
	Since                   time.Time
	Limit                   int
}

// Trace tells the lives of messages.
func (c *Client) Trace(ctx context.Context, q TraceQuery) iter.Seq2[TraceLine, error] {
	v := url.Values{"id": {q.ID}, "to": {q.To}, "from": {q.From}, "message_id": {q.MessageID}, "client": {q.Client}, "user": {q.User}}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return many[TraceLine](ctx, c, "/v1/trace", v)
}

func (s *Server) traceRoutes() map[string]handler {
	return map[string]handler{"GET /v1/trace": s.trace}
}

func (s *Server) trace(r *http.Request) (any, error) {
	if s.o.Trace == nil {
		return nil, fmt.Errorf("%w: %w", errRequest, trace.ErrOff)
	}
	q := trace.Query{To: r.FormValue("to"), From: r.FormValue("from"), MessageID: r.FormValue("message_id"), User: r.FormValue("user")}
	var err error
	if text := r.FormValue("client"); text != "" {
		client, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not a network address", errRequest, text)
		}
		q.Client = client.Unmap().String()
	}
	if text := r.FormValue("id"); text != "" {
		if q.ID, err = mail.ParseID(text); err != nil {
			return nil, fmt.Errorf("%w: %q is %w", errRequest, text, err)
		}
	}
	if text := r.FormValue("since"); text != "" {
		if q.Since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return nil, fmt.Errorf("%w: since: not a time", errRequest)
		}
	}
	if text := r.FormValue("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return nil, fmt.Errorf("%w: limit: not a number above 0", errRequest)
		}
	}
	stories, err := s.o.Trace.Find(r.Context(), q)
	if errors.Is(err, trace.ErrOff) {
		err = fmt.Errorf("%w: %w", errRequest, err)
	}
	if err != nil {
		return nil, err
	}
	return list(func(ctx context.Context, write func(any) error) error {
		for _, story := range stories {
			for i, rec := range story.Records {
				line := TraceLine{Message: story.ID, Record: *rec}
				line.Account = s.name(rec.Account)
				if i == len(story.Records)-1 {
					line.Cut = story.Cut
					if line.Next, err = s.next(ctx, story.ID); err != nil {
						return err
					}
				}
				if err := write(line); err != nil {
					return err
				}
			}
		}
		return nil
	}), nil
}

// next asks the queue who of a message still waits.
func (s *Server) next(ctx context.Context, id mail.ID) ([]Recipient, error) {
	if id.IsZero() {
		return nil, nil
	}
	_, entries, err := s.o.Spool.Load(ctx, id, nil)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, nil
	}
	out := make([]Recipient, len(entries))
	for i, e := range entries {
		out[i] = s.recipient(e)
	}
	return out, err
}
