package webhook

import (
	"context"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
)

// Path is where Handler answers, and everything beneath it.
const Path = "/sns"

// ErrToken is what the functions of a Handler say of a token that is not good.
var ErrToken = errors.New("token is not valid")

// Handler serves what the receivers of SNS messages ask for: the certificate, and
// the links that confirm and end a subscription. It is an http.Handler.
type Handler struct {
	Signer *Signer
	// Confirm and Unsubscribe act for the destination that a token is of, and give
	// the topic's ARN; ErrToken.
	Confirm, Unsubscribe func(ctx context.Context, token string) (arn string, err error)
	Log                  *slog.Logger
}

// confirmed is the answer of SNS to a confirmation.
type confirmed struct {
	XMLName xml.Name `xml:"ConfirmSubscriptionResponse"`
	ARN     string   `xml:"ConfirmSubscriptionResult>SubscriptionArn"`
}

type unsubscribed struct {
	XMLName xml.Name `xml:"UnsubscribeResponse"`
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == h.Signer.CertPath() {
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Cache-Control", "public, max-age=86400")
		_, _ = w.Write(h.Signer.certificate)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	q := r.URL.Query()
	switch token := q.Get("Token"); {
	case r.URL.Path != Path || r.Method != http.MethodGet:
		http.NotFound(w, r)
	case q.Get("Action") == "ConfirmSubscription":
		arn, err := h.Confirm(r.Context(), token)
		h.answer(w, confirmed{ARN: arn}, err)
	case q.Get("Action") == "Unsubscribe":
		_, err := h.Unsubscribe(r.Context(), token)
		h.answer(w, unsubscribed{}, err)
	default:
		http.NotFound(w, r)
	}
}

// answer says the same of every token that is not good.
func (h *Handler) answer(w http.ResponseWriter, body any, err error) {
	switch {
	case errors.Is(err, ErrToken):
		http.Error(w, "not found", http.StatusNotFound)
		return
	case err != nil:
		if h.Log != nil {
			h.Log.Error("subscription not changed", "err", err)
		}
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_ = xml.NewEncoder(w).Encode(body) // a reader that is gone needs no answer
}
