package public

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
)

// maxBody bounds the body of a request in octets; a link has far fewer.
const maxBody = 8 << 10

// ErrLink is what a Verifier says of a link that is not, or no longer, good.
var ErrLink = errors.New("link is not valid")

// Verifier knows the links that were mailed.
type Verifier interface {
	// Linked gives the address that a link would verify and changes nothing;
	// ErrLink.
	Linked(link string) (address string, err error)
	// Confirm verifies it, once; ErrLink.
	Confirm(ctx context.Context, link string) (address string, err error)
}

// Options is what a Handler needs; Log may be nil.
type Options struct {
	// Service is the name under which the pages speak of this server.
	Service  string
	Verifier Verifier
	// Unsubscriber knows the mailing lists; nil: nobody can leave one.
	Unsubscriber Unsubscriber
	Log          *slog.Logger
}

// Path is where the links go, with "?link=" and the link after it.
const Path = "/verify"

// Handler answers. It is an http.Handler.
type Handler struct {
	o     Options
	mux   *http.ServeMux
	pages *template.Template
}

//go:embed pages.html unsubscribe.html
var pages embed.FS

// New makes a handler.
func New(o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{o: o, mux: http.NewServeMux(), pages: template.Must(template.ParseFS(pages, "*.html"))}
	h.mux.HandleFunc("GET "+Path, h.show)
	h.mux.HandleFunc("POST "+Path, h.confirm)
	if o.Unsubscriber != nil {
		h.mux.HandleFunc("GET "+UnsubscribePath+"{token}", h.subscription)
		h.mux.HandleFunc("POST "+UnsubscribePath+"{token}", h.subscribe)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	for name, value := range map[string]string{
		"Content-Security-Policy":      "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer", // the link stands in our own address
		"Cache-Control":                "no-store",
		"X-Robots-Tag":                 "noindex, nofollow",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		w.Header().Set(name, value)
	}
	h.mux.ServeHTTP(w, r)
}

// page is what a page says.
type page struct{ Service, Address, Link string }

// show gives a page with a button. It changes nothing: scanners and previews
// open every link in a mail, and they do not press buttons.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	link := r.URL.Query().Get("link")
	address, err := h.o.Verifier.Linked(link)
	if err != nil {
		h.refuse(w, err)
		return
	}
	h.write(w, http.StatusOK, "ask", page{h.o.Service, address, link})
}

func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) {
	address, err := h.o.Verifier.Confirm(r.Context(), r.PostFormValue("link"))
	if err != nil {
		h.refuse(w, err)
		return
	}
	h.write(w, http.StatusOK, "done", page{Service: h.o.Service, Address: address})
}

// refuse says the same of every link that is not good, whatever is wrong with it.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrLink) {
		h.write(w, http.StatusNotFound, "gone", page{Service: h.o.Service})
		return
	}
	h.o.Log.Error("verification failed", "err", err)
	h.trouble(w)
}

// trouble says nothing of what went wrong to whom it is not for.
func (h *Handler) trouble(w http.ResponseWriter) {
	h.write(w, http.StatusInternalServerError, "trouble", page{Service: h.o.Service})
}

func (h *Handler) write(w http.ResponseWriter, code int, name string, p any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = h.pages.ExecuteTemplate(w, name, p) // a reader that is gone needs no page
}
