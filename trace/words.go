package trace

// fewOctets is how little a block must hold to be deflated with the dictionary,
// and better: where little mail goes, each message lies in a block of its own.
const fewOctets = 16 << 10

// words is that dictionary: what stands in most records, the commonest at the end.
// It is part of the format on disk and never changes; another needs another flag.
const words = `Date MIME-Version Bcc Message-ID Received Feedback-ID held by the operator released by the operator` +
	`quotas configset identity credential unique sandbox attachments tags mailfrom hops pause rate 000000000001` +
	`ESMTPA ESMTPSA TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLSv1.3 TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384` +
	`TLS_CHACHA20_POLY1305_SHA256 AKIA Message expired: unable to deliver in Connection closed unexpectedly connection refused` +
	`i/o timeout deferred 451 4.7.1 4.7.0 450 4.2.1 421 4.7.0 452 4.2.2 try again later failed 550 5.1.1 user unknown 550 5.7.1` +
	`554 5.7.1 delivered 250 2.0.0 Ok: queued as 250 2.6.0 Queued mail for delivery 250 2.0.0 OK  gsmtp` +
	`connection kept from before: , source default, in clear textauthenticatedgiven up: TLS handshake failed` +
	`addresses of mx1.mail.protection.outlook.com aspmx.l.google.com: [` +
	`connect to , source default, TLS opportunistic` +
	`220 ESMTP Postfix ready at your service EHLO mx1.250 mx Hello [\nPIPELINING\nSIZE 157286400\nSIZE 35882577\nSIZE 10240000` +
	`\nVRFY\nETRN\nDSN\nAUTH PLAIN LOGIN\nSTARTTLS\nX-ANONYMOUSTLS\n8BITMIME\nBINARYMIME\nENHANCEDSTATUSCODES\nPIPELINING\nCHUNKING\nSMTPUTF8` +
	`STARTTLS220 2.0.0 Ready to start TLSTLSv1.3 TLS_AES_128_GCM_SHA256, certificate of "" by "", not verified` +
	`MAIL FROM:<> SIZE= BODY=8BITMIMERCPT TO:<DATABDAT  LAST354 End data with <CR><LF>.<CR><LF>354 Go aheadcontent of  octets.` +
	`250 2.1.0 Sender OK250 2.1.0 Ok250 2.1.5 Recipient OK250 2.1.5 Ok250 2.1.0 OK  - gsmtp250 2.1.5 OK  - gsmtp250 2.0.0 OK `
