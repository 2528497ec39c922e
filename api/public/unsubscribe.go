package public

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// UnsubscribePath is where the links that leave a mailing list go, with the token
// behind it.
const UnsubscribePath = "/unsubscribe/"

// ErrSoon is what an Unsubscriber says to whom goes back and forth too fast.
var ErrSoon = errors.New("a moment ago it was changed")

// Subscription is what a token is about.
type Subscription struct {
	Address, List string
	Left          bool // it gets no more mail of the list
}

// Unsubscriber keeps who has left which mailing list. Each of its methods answers
// ErrLink to a token that is not one of ours, and the last two are good any number of
// times.
type Unsubscriber interface {
	// Subscription gives what a token is about, and changes nothing.
	Subscription(ctx context.Context, token string) (Subscription, error)
	// Leave ends the mail of the list, durably. With oneClick it was a mail program
	// that asked in the name of the recipient (RFC 8058), else the recipient.
	Leave(ctx context.Context, token string, oneClick bool) (Subscription, error)
	// Rejoin takes that back; ErrSoon, so that nobody keeps us busy with it.
	Rejoin(ctx context.Context, token string) (Subscription, error)
}

// listPage is what a page about a mailing list says.
type listPage struct {
	Service string
	Subscription
}

// subscription gives a page with a button. It changes nothing: scanners and
// previews open every link in a mail, and RFC 8058 section 3.2 wants a POST.
func (h *Handler) subscription(w http.ResponseWriter, r *http.Request) {
	s, err := h.o.Unsubscriber.Subscription(r.Context(), r.PathValue("token"))
	name := "leave"
	if s.Left {
		name = "left"
	}
	h.list(w, name, s, err)
}

// subscribe does what the button says, or what a mail program asks for. It answers
// at once: a redirect is not allowed (RFC 8058 section 3.2).
func (h *Handler) subscribe(w http.ResponseWriter, r *http.Request) {
	var (
		s     Subscription
		err   error
		name  = "left"
		token = r.PathValue("token")
	)
	// Either form of encoding is allowed (RFC 8058 section 3.2), and both are read.
	oneClick := strings.EqualFold(r.PostFormValue("List-Unsubscribe"), "One-Click")
	switch action := r.PostFormValue("action"); {
	case oneClick, action == "leave":
		s, err = h.o.Unsubscriber.Leave(r.Context(), token, oneClick)
	case action == "rejoin":
		name = "back"
		s, err = h.o.Unsubscriber.Rejoin(r.Context(), token)
	default:
		h.write(w, http.StatusBadRequest, "nothing", page{Service: h.o.Service})
		return
	}
	h.list(w, name, s, err)
}

// list writes a page, and says the same of every token that is not ours.
func (h *Handler) list(w http.ResponseWriter, name string, s Subscription, err error) {
	switch {
	case err == nil:
		h.write(w, http.StatusOK, name, listPage{h.o.Service, s})
	case errors.Is(err, ErrLink):
		h.write(w, http.StatusNotFound, "nolist", page{Service: h.o.Service})
	case errors.Is(err, ErrSoon):
		h.write(w, http.StatusTooManyRequests, "trouble", page{Service: h.o.Service})
	default:
		h.o.Log.Error("unsubscribe link failed", "err", err)
		h.trouble(w)
	}
}
