package submission

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission/rewrite"
)

// unsubscribable lets the recipient of a message leave the mailing list of its
// configuration set, with one click (RFC 8058) and by a link in its text. As with SES
// that takes a single recipient, and no signature of the client's, which would break
// (spec section 3.7). It gives the content that is kept in the place of draft, or
// draft itself, and discards the other.
func (d *Desk) unsubscribable(ctx context.Context, m *queue.Message, set *configset.Set, s *message.Section, draft queue.Draft) (queue.Draft, error) {
	if set == nil || set.Unsubscribe == "" || d.o.Unsubscribe == nil || len(m.To) != 1 || rewrite.Signed(s) {
		return draft, nil
	}
	address := d.o.Unsubscribe(unsubscribe.Link{ID: m.ID, Account: m.Account, List: set.Unsubscribe, To: m.To[0].Address})
	m.Keep = true // the event of who left needs it
	m.Edit.Drop = append(m.Edit.Drop, s.Spans("List-Unsubscribe", "List-Unsubscribe-Post")...)
	slices.SortFunc(m.Edit.Drop, func(x, y message.Span) int { return cmp.Compare(x.Off, y.Off) })
	// In one line, as short as it can be: some that read it know no folding.
	m.Edit.Prefix = append(m.Edit.Prefix, "List-Unsubscribe: <"+address+">\r\n"...)
	if len(m.Keys) > 0 { // one click takes a signature over both (RFC 8058 section 4)
		m.Edit.Prefix = append(m.Edit.Prefix, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
	}
	body := func() io.Reader { return io.NewSectionReader(draft, m.HeaderSize, m.Size-m.HeaderSize) }
	if n, err := rewrite.Body(io.Discard, s, body(), address); n == 0 || err != nil {
		return draft, err
	}
	edited, err := d.o.Spool.Draft(ctx)
	if err != nil {
		return draft, err
	}
	_, err = io.Copy(edited, io.NewSectionReader(draft, 0, m.HeaderSize))
	if err == nil {
		_, err = rewrite.Body(edited, s, body(), address)
	}
	if err != nil {
		edited.Discard()
		return draft, err
	}
	draft.Discard()
	m.Size = edited.Size()
	return edited, nil
}
