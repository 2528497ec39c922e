package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/mail"
)

// Suppressed is an address on a suppression list.
type Suppressed struct {
	Account    string    `json:"account"` // empty for the list of the installation
	Address    string    `json:"address"`
	Reason     string    `json:"reason"`         // "BOUNCE", "COMPLAINT" or "UNSUBSCRIBE"
	List       string    `json:"list,omitempty"` // the mailing list that it left
	LastUpdate time.Time `json:"last_update"`
	MessageID  string    `json:"message_id,omitempty"`
	FeedbackID string    `json:"feedback_id,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
}

// SuppressRequest adds an address to a list: that of an account, or that of the
// installation.
type SuppressRequest struct {
	Account      string `json:"account,omitempty"`
	Installation bool   `json:"installation,omitempty"`
	Address      string `json:"address"`
	Reason       string `json:"reason"`
	List         string `json:"list,omitempty"` // for UNSUBSCRIBE
}

// Imported says what became of a file of addresses.
type Imported struct {
	Lines     int         `json:"lines"`
	Changed   int         `json:"changed"`
	Unchanged int         `json:"unchanged"`
	Failed    int         `json:"failed"`
	Errors    []LineError `json:"errors,omitempty"` // the first few
}

// LineError is what is wrong with a line of a file.
type LineError struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// importPath is that of the one request whose body has no bound: it is read line
// by line.
const importPath = "/v1/suppression/import"

// readPause is how long the sender of a file may be silent.
const readPause = time.Minute

func (s *Server) suppressionRoutes() map[string]handler {
	return map[string]handler{
		"GET /v1/suppression":      s.listSuppressed,
		"GET /v1/suppression/show": s.showSuppressed,
		"POST /v1/suppression":     s.putSuppressed,
		"DELETE /v1/suppression":   s.deleteSuppressed,
	}
}

// owner gives whose list a request is about.
func (s *Server) owner(name string, installation bool) (string, error) {
	if installation {
		if name != "" {
			return "", fmt.Errorf("%w: the list is an account's or the installation's", errRequest)
		}
		return suppression.Installation, nil
	}
	a, err := s.o.Accounts.Lookup(name)
	return a.ID, err
}

func (s *Server) ownerOf(r *http.Request) (string, error) {
	return s.owner(r.FormValue("account"), r.FormValue("installation") == "true")
}

func (s *Server) ownerAndAddress(r *http.Request) (owner string, a mail.Address, err error) {
	if owner, err = s.ownerOf(r); err == nil {
		a, err = suppression.ParseAddress(r.FormValue("address"))
	}
	return owner, a, err
}

func (s *Server) suppressed(e suppression.Entry) Suppressed {
	out := Suppressed{Address: e.Address.String(), Reason: e.Reason.String(), List: e.List, LastUpdate: e.Updated,
		MessageID: e.MessageID, FeedbackID: e.FeedbackID, Expires: e.Expires}
	if e.Owner != suppression.Installation {
		out.Account = s.name(e.Owner)
	}
	return out
}

func (s *Server) putSuppressed(r *http.Request) (any, error) {
	q, err := read[SuppressRequest](r)
	if err != nil {
		return nil, err
	}
	e := suppression.Entry{List: q.List}
	if e.Owner, err = s.owner(q.Account, q.Installation); err != nil {
		return nil, err
	}
	if e.Address, err = suppression.ParseAddress(q.Address); err != nil {
		return nil, err
	}
	if e.Reason, err = suppression.ParseReason(q.Reason); err != nil {
		return nil, err
	}
	if e, err = s.o.Suppression.Put(r.Context(), e); err != nil {
		return nil, err
	}
	s.o.Log.Info("address suppressed", "account", e.Owner, "to", e.Address.String(), "text", e.Reason.String())
	return s.suppressed(e), nil
}

func (s *Server) showSuppressed(r *http.Request) (any, error) {
	owner, a, err := s.ownerAndAddress(r)
	if err != nil {
		return nil, err
	}
	e, err := s.listed(r, owner, a)
	if err != nil {
		return nil, err
	}
	return s.suppressed(e), nil
}

// listed gives the entry of an address, or the one for the mailing list that is named.
func (s *Server) listed(r *http.Request, owner string, a mail.Address) (suppression.Entry, error) {
	if left := r.FormValue("list"); left != "" {
		return s.o.Suppression.Left(r.Context(), owner, a, left)
	}
	return s.o.Suppression.Get(r.Context(), owner, a)
}

func (s *Server) deleteSuppressed(r *http.Request) (any, error) {
	owner, a, err := s.ownerAndAddress(r)
	if err != nil {
		return nil, err
	}
	e, err := s.listed(r, owner, a)
	if err != nil {
		return nil, err
	}
	if e.List != "" {
		err = s.o.Suppression.Rejoin(r.Context(), owner, a, e.List)
	} else {
		err = s.o.Suppression.Delete(r.Context(), owner, a)
	}
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("address suppressed no more", "account", owner, "to", a.String())
	return s.suppressed(e), nil
}

func (s *Server) listSuppressed(r *http.Request) (any, error) {
	owner, err := s.ownerOf(r)
	if err != nil {
		return nil, err
	}
	var f suppression.Filter
	if text := r.FormValue("reason"); text != "" {
		reason, err := suppression.ParseReason(text)
		if err != nil {
			return nil, err
		}
		f.Reasons = []suppression.Reason{reason}
	}
	for key, into := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := r.FormValue(key); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, fmt.Errorf("%w: %q is no time such as 2006-01-02T15:04:05Z", errRequest, text)
			}
		}
	}
	return list(func(ctx context.Context, write func(any) error) error {
		for e, err := range s.o.Suppression.All(ctx, owner, f) {
			if err != nil {
				return err
			}
			if err := write(s.suppressed(e)); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// importSuppressed reads a file for as long as it goes on.
func (s *Server) importSuppressed(w http.ResponseWriter, r *http.Request) {
	body := &patient{r.Body, http.NewResponseController(w)}
	s.answer(func(r *http.Request) (any, error) {
		owner, err := s.ownerOf(r)
		if err != nil {
			return nil, err
		}
		done, err := s.o.Suppression.Import(r.Context(), owner, body, suppression.ImportOptions{
			Form: suppression.Form(r.FormValue("form")), Delete: r.FormValue("delete") == "true"})
		body.extend()
		if done.Lines > 0 {
			s.o.Log.Info("suppression list imported", "account", owner, "to", done.Changed)
		}
		if err != nil {
			return nil, err
		}
		out := Imported{Lines: done.Lines, Changed: done.Changed, Unchanged: done.Unchanged, Failed: done.Failed}
		for _, e := range done.Errors {
			out.Errors = append(out.Errors, LineError(e))
		}
		return out, nil
	}).ServeHTTP(w, r)
}

// patient puts the deadlines of a request off with each read of its body.
type patient struct {
	io.Reader
	control *http.ResponseController
}

func (p *patient) extend() {
	at := time.Now().Add(readPause)
	// What cannot put them off, such as a test's recorder, has none.
	_ = errors.Join(p.control.SetReadDeadline(at), p.control.SetWriteDeadline(at))
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	p.extend()
	return p.Reader.Read(b)
}
