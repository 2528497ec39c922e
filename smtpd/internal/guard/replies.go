package guard

import (
	"strconv"

	"github.com/sesame-mta/sesame/mail"
)

// Every reply of the guard stands in this file, and in testdata/replies.golden.
// Those that Amazon SES was seen to send are Recorded: they go out without an
// enhanced status code, as there.
var (
	replyOk         = mail.Recorded(250, 0, 0, "Ok")
	replyData       = mail.Recorded(354, 0, 0, "End data with <CR><LF>.<CR><LF>")
	replyBye        = mail.Recorded(221, 0, 0, "Bye")
	replyStartTLS   = mail.Recorded(220, 0, 0, "Ready to start TLS")
	replyAuthOk     = mail.Recorded(235, 7, 0, "Authentication successful.")
	replyPlainGo    = mail.Recorded(334, 0, 0, "Ok")
	replyMustTLS    = mail.Recorded(530, 7, 0, "Must issue a STARTTLS command first")
	replyMustAuth   = mail.Recorded(530, 7, 0, "Authentication required")
	replyMechanism  = mail.Recorded(504, 5, 4, "Unrecognized authentication type")
	replyReverse    = mail.Recorded(501, 1, 7, "Invalid MAIL FROM address provided")
	replyTooLong    = mail.Recorded(552, 3, 4, "Message is too long.")
	replyTemporary  = mail.Recorded(451, 3, 0, "Temporary service failure")
	replyMessages   = mail.Recorded(421, 4, 5, "Connection closed by server. Maximum message count per session reached.")
	replyClosing    = mail.Recorded(421, 3, 2, "Service not available, closing transmission channel.")
	replyUnknown    = mail.Recorded(502, 5, 1, "Unsupported command")
	replyBadLocal   = mail.Recorded(554, 6, 7, "Transaction failed: Local address contains illegal character")
	replyBadDomain  = mail.Recorded(554, 6, 7, "Transaction failed: Domain contains illegal character")
	replyVerify     = mail.Refuse(252, 5, 0, "Cannot verify the user, but will take the message")
	replyHelp       = mail.Refuse(214, 0, 0, "Message submission by RFC 5321 and RFC 6409")
	replyTimeout    = mail.Refuse(451, 4, 2, "Timeout waiting for data from client.")
	replySyntax     = mail.Refuse(500, 5, 2, "Syntax error")
	replyBareLF     = mail.Refuse(500, 5, 2, "Line does not end with CR LF")
	replyLine       = mail.Refuse(500, 5, 2, "Line too long")
	replyArgument   = mail.Refuse(501, 5, 4, "No argument allowed")
	replyHello      = mail.Refuse(501, 5, 4, "Host name required")
	replyMailSyntax = mail.Refuse(501, 5, 2, "Syntax: MAIL FROM:<address>")
	replyRcptSyntax = mail.Refuse(501, 5, 2, "Syntax: RCPT TO:<address>")
	replyAuthSyntax = mail.Refuse(501, 5, 4, "Syntax: AUTH mechanism [initial-response]")
	replyBdatSyntax = mail.Refuse(501, 5, 4, "Syntax: BDAT size [LAST]")
	replyParameter  = mail.Refuse(501, 5, 4, "Malformed or repeated parameter")
	replyNoSuch     = mail.Refuse(555, 5, 4, "Parameter not recognized or not implemented")
	replyBase64     = mail.Refuse(501, 5, 2, "Cannot decode the response as base64")
	replyCancelled  = mail.Refuse(501, 7, 0, "Authentication cancelled")
	replyHelloFirst = mail.Refuse(503, 5, 1, "EHLO or HELO first")
	replyHaveTLS    = mail.Refuse(503, 5, 1, "TLS is active already")
	replyHaveAuth   = mail.Refuse(503, 5, 1, "Authenticated already")
	replyNoTLS      = mail.Refuse(502, 5, 1, "TLS is not available")
	replyInside     = mail.Refuse(503, 5, 1, "Not allowed inside a mail transaction")
	replyNested     = mail.Refuse(503, 5, 1, "Sender already given")
	replyMailFirst  = mail.Refuse(503, 5, 1, "MAIL first")
	replyNoRcpt     = mail.Refuse(503, 5, 1, "No valid recipients")
	replyChunks     = mail.Refuse(503, 5, 1, "Not allowed between chunks")
	replyRecipients = mail.Refuse(452, 5, 3, "Too many recipients")
	replyErrors     = mail.Refuse(421, 7, 0, "Too many errors")
	replyCommands   = mail.Refuse(421, 7, 0, "Too many commands without a message")
	replyHTTP       = mail.Refuse(421, 7, 0, "Not an HTTP server")
	replyHasBareLF  = mail.Refuse(554, 6, 0, "Message contains a bare LF (LF not preceded by CR)")
	replyHasBareCR  = mail.Refuse(554, 6, 0, "Message contains a bare CR (CR not followed by LF)")
	replyHasNUL     = mail.Refuse(554, 6, 0, "Message contains a NUL octet")
)

// The hot ones as octets.
var (
	wireOk   = replyOk.Wire(nil)
	wireData = replyData.Wire(nil)
)

// badSender is the reply to a reverse-path that breaks the grammar.
func badSender(path string) *mail.Reply {
	return mail.Recorded(553, 1, 7, "<"+shorten(path)+"> Invalid email address")
}

// badRecipient is the reply to a forward-path that breaks the grammar.
func badRecipient(path string) *mail.Reply {
	return mail.Recorded(553, 1, 3, "<"+shorten(path)+"> address unknown")
}

// longLine is the reply to content with a line over the limit.
func longLine(limit int) *mail.Reply {
	return mail.Refuse(554, 6, 0, "Message contains a line of more than "+strconv.Itoa(limit)+" octets")
}

// shorten keeps an echoed path within one reply line.
func shorten(s string) string {
	if len(s) > mail.MaxPath {
		return s[:mail.MaxPath] + "..."
	}
	return s
}
