// Package receiving takes the mail that comes to us from anybody: what comes back
// for mail that has left (bounces, complaints, automatic answers), and what people
// write to the role addresses of the service domain. It finds the message that it
// is about, tells dispatch, and passes it on by mail to whoever sent that message.
// It owns the question whom to believe: message ids authenticate themselves, only
// recipients of a message can bounce, and complaints need the signature of a
// provider that is on a list.
// It does not know SMTP, how reports are written, or what becomes of an event.
package receiving
