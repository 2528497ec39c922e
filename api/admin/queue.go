package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

const (
	// findPage entries of the queue are in memory at a time.
	findPage = 500
	// maxDue is how far due entries are counted.
	maxDue   = 10000
	linePage = 1000
)

// filter reads which entries a request is about.
func (s *Server) filter(sel Selection) (queue.Filter, error) {
	var f queue.Filter
	if sel.ID != "" {
		id, err := mail.ParseID(sel.ID)
		if err != nil {
			return f, fmt.Errorf("%w: %q is %w", errRequest, sel.ID, err)
		}
		f.ID = id
	}
	if sel.Account != "" {
		a, err := s.account(sel.Account)
		if err != nil {
			return f, err
		}
		f.Account = a.ID
	}
	if sel.Domain != "" {
		// A literal goes as it is: the queue keeps it in lower case.
		f.Domain = strings.ToLower(sel.Domain)
		if d, err := mail.ParseDomain(sel.Domain); err != nil && !strings.HasPrefix(sel.Domain, "[") {
			return f, fmt.Errorf("%w: domain %q: %w", errRequest, sel.Domain, err)
		} else if err == nil {
			f.Domain = d
		}
	}
	return f, nil
}

func (s *Server) listQueue(r *http.Request) (any, error) {
	f, err := s.filter(Selection{Account: r.FormValue("account"), Domain: r.FormValue("domain")})
	if err != nil {
		return nil, err
	}
	switch word := r.FormValue("state"); word {
	case "":
	case queue.Queued.String():
		f.State = queue.Queued
	case queue.Held.String():
		f.State = queue.Held
	default:
		return nil, fmt.Errorf("%w: a state is %q or %q", errRequest, queue.Queued, queue.Held)
	}
	f.Limit = findPage
	return list(func(ctx context.Context, write func(any) error) error { return s.eachEntry(ctx, f, write) }), nil
}

// eachEntry pages through the entries that match.
func (s *Server) eachEntry(ctx context.Context, f queue.Filter, write func(any) error) error {
	var m *queue.Message
	for {
		page, err := s.o.Queue.Find(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range page {
			if m == nil || m.ID != e.ID {
				m, _, err = s.o.Spool.Load(ctx, e.ID, []int{e.N})
				if errors.Is(err, queue.ErrNotFound) { // delivered since
					m = nil
					continue
				}
				if errors.Is(err, queue.ErrDamaged) {
					m, err = &queue.Message{ID: e.ID, Account: e.Line.Account}, nil // the entry says the rest
				}
				if err != nil {
					return err
				}
			}
			if err := write(s.entry(m, e)); err != nil {
				return err
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.AfterID, f.AfterN = page[len(page)-1].ID, page[len(page)-1].N
	}
}

func (s *Server) entry(m *queue.Message, e queue.Entry) Entry {
	out := Entry{
		ID: m.ID.String(), Account: s.name(m.Account), From: m.From.String(), To: e.To.String(), Domain: e.Line.Domain,
		State: e.State.String(), Attempts: e.Attempts, Next: e.Due.UTC(), LastReply: e.Last.String(),
		Size: m.Size, Accepted: m.Accepted.UTC(),
	}
	if s.o.Holding != nil {
		_, out.Limit = s.o.Holding(e)
	}
	return out
}

func (s *Server) showMessage(r *http.Request) (any, error) {
	id, err := mail.ParseID(r.FormValue("id"))
	if err != nil {
		return nil, fmt.Errorf("%w: %q is %w", errRequest, r.FormValue("id"), err)
	}
	m, entries, err := s.o.Spool.Load(r.Context(), id, nil)
	if err == nil && len(entries) == 0 {
		err = queue.ErrNotFound // its content is kept for somebody still
	}
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	out := Message{
		ID: m.ID.String(), Account: s.name(m.Account), From: m.From.String(), Accepted: m.Accepted.UTC(),
		Size: m.Size, MessageID: m.MessageID,
	}
	for _, e := range entries {
		out.Recipients = append(out.Recipients, s.recipient(e))
	}
	return out, nil
}

func (s *Server) recipient(e queue.Entry) Recipient {
	r := Recipient{
		To: e.To.String(), Domain: e.Line.Domain, State: e.State.String(), Attempts: e.Attempts,
		Next: e.Due.UTC(), Expires: e.Expires.UTC(), LastReply: e.Last.String(), LastHost: e.LastHost,
	}
	if s.o.Holding != nil {
		r.Site, r.Limit = s.o.Holding(e)
		if r.Limit != nil && r.Limit.Name == mail.LimitSiteDown {
			r.SiteDown = r.Limit.Frees.UTC()
		}
	}
	return r
}

// change makes the handler of a command that alters entries.
func (s *Server) change(what string, do func(context.Context, queue.Filter) (int, error)) handler {
	return func(r *http.Request) (any, error) {
		sel, err := read[Selection](r)
		if err != nil {
			return nil, err
		}
		return s.changeAll(r.Context(), what, sel, do)
	}
}

func (s *Server) cancel(r *http.Request) (any, error) {
	sel, err := read[Selection](r)
	if err != nil {
		return nil, err
	}
	var events func(*queue.Message, []queue.Entry) []event.Event
	if sel.Bounce {
		events = s.o.Cancelled
	}
	return s.changeAll(r.Context(), Cancel, sel, func(ctx context.Context, f queue.Filter) (int, error) {
		return s.o.Queue.Cancel(ctx, f, events)
	})
}

func (s *Server) changeAll(ctx context.Context, what string, sel Selection, do func(context.Context, queue.Filter) (int, error)) (any, error) {
	one, some := sel.ID != "", sel.Account != "" || sel.Domain != ""
	if one && (some || sel.All) || some && sel.All || !one && !some && !sel.All {
		return nil, fmt.Errorf("%w: name an id, or an account or domain, or all", errRequest)
	}
	f, err := s.filter(sel)
	if err != nil {
		return nil, err
	}
	if one {
		f.Limit = 1
		found, err := s.o.Queue.Find(ctx, f)
		if err == nil && len(found) == 0 {
			err = queue.ErrNotFound
		}
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", f.ID, err)
		}
	}
	n, err := do(ctx, f)
	if n > 0 {
		s.o.Log.Info("queue changed by operator", "text", what, "id", sel.ID, "account", f.Account, "domain", f.Domain, "to", n)
	}
	if err != nil {
		return nil, err
	}
	return Changed{n}, nil
}

// countDue counts the entries that are due, up to maxDue: what is not due is
// not read, however much it is.
func (s *Server) countDue(ctx context.Context) (int64, error) {
	now, count := time.Now(), 0
	var after queue.Line
	for {
		lines, err := s.o.Spool.Lines(ctx, after, linePage)
		if err != nil {
			return 0, err
		}
		for _, l := range lines {
			if l.Due.After(now) {
				continue
			}
			page, err := s.o.Spool.Page(ctx, l.Line, queue.PageOptions{DueBy: now, Limit: maxDue - count})
			if err != nil {
				return 0, err
			}
			if count += len(page); count >= maxDue {
				return maxDue, nil
			}
		}
		if len(lines) < linePage {
			return int64(count), nil
		}
		after = lines[len(lines)-1].Line
	}
}
