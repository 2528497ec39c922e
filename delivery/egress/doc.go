// Package egress says from which address and under which name we speak, to
// which addresses we may connect, and how much a site is asked to bear at once.
// It is a part of delivery.
// It opens no connection, knows no SMTP and no message.
package egress
