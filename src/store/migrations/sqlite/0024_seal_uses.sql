-- Who keeps a seal (保管人). Rows that give authority carry an integrity value.
CREATE TABLE seal_keepers (
    seal TEXT PRIMARY KEY REFERENCES seals (id),
    keeper TEXT NOT NULL REFERENCES callers (id),
    since INTEGER NOT NULL,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;

-- Authority to use a seal (用印授权), as its keeper signed it, and what was used so far. Items and kinds of document are
-- joined by commas; amounts are in fen; `entered` counts the ledger's rows, those that came to nothing too.
CREATE TABLE use_authorisations (
    id TEXT PRIMARY KEY,
    seal TEXT NOT NULL REFERENCES seals (id),
    caller TEXT NOT NULL REFERENCES callers (id),
    keeper TEXT NOT NULL REFERENCES callers (id),
    keeper_key_sm3 BLOB NOT NULL,
    signature BLOB NOT NULL,
    given_at INTEGER NOT NULL,
    nonce BLOB NOT NULL UNIQUE,
    items TEXT NOT NULL,
    document_kinds TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    most_uses INTEGER,
    most_amount INTEGER,
    most_sum INTEGER,
    each_approved INTEGER NOT NULL CHECK (each_approved IN (0, 1)),
    second_factor INTEGER NOT NULL CHECK (second_factor IN (0, 1)),
    withdrawn_at INTEGER,
    uses INTEGER NOT NULL,
    amount_used INTEGER NOT NULL,
    entered INTEGER NOT NULL,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;
CREATE INDEX use_authorisations_of_user ON use_authorisations (seal, caller, valid_until);
CREATE INDEX use_authorisations_of_seal ON use_authorisations (seal, id);
CREATE INDEX use_authorisations_open ON use_authorisations (seal, id) WHERE withdrawn_at IS NULL;

-- What was withdrawn, a second time: an older row of an authorisation that is put back does not fit it.
CREATE TABLE use_withdrawals (
    authorisation TEXT PRIMARY KEY REFERENCES use_authorisations (id),
    at INTEGER NOT NULL
) STRICT;

-- The keeper's approvals of single uses. A row never changes: the ledger says which were used.
CREATE TABLE use_approvals (
    nonce BLOB PRIMARY KEY,
    authorisation TEXT NOT NULL REFERENCES use_authorisations (id),
    document_sm3 BLOB NOT NULL,
    amount INTEGER,
    keeper TEXT NOT NULL,
    keeper_key_sm3 BLOB NOT NULL,
    signature BLOB NOT NULL,
    given_at INTEGER NOT NULL,
    integrity BLOB NOT NULL
) STRICT;
CREATE INDEX use_approvals_of_document ON use_approvals (authorisation, document_sm3, given_at);

-- The use ledger (用印台账): one row for each act of signing. Without an authorisation: a seal without a keeper. `number`
-- counts the rows of an authorisation from 1, without a gap.
CREATE TABLE use_ledger (
    signature TEXT PRIMARY KEY REFERENCES signatures (id),
    seal TEXT NOT NULL REFERENCES seals (id),
    caller TEXT,
    authorisation TEXT REFERENCES use_authorisations (id),
    number INTEGER,
    approval BLOB REFERENCES use_approvals (nonce),
    item TEXT,
    document_kind TEXT,
    amount INTEGER,
    document_sm3 BLOB NOT NULL,
    factor TEXT,
    factor_at INTEGER,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('intended', 'signed', 'abandoned')),
    finished_at INTEGER,
    version INTEGER NOT NULL,
    integrity BLOB NOT NULL,
    CHECK ((authorisation IS NULL) = (number IS NULL)),
    CHECK ((outcome = 'intended') = (finished_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX use_ledger_of_authorisation ON use_ledger (authorisation, number);
CREATE INDEX use_ledger_of_approval ON use_ledger (approval) WHERE approval IS NOT NULL;
CREATE INDEX use_ledger_of_seal ON use_ledger (seal, at, signature);
CREATE INDEX use_ledger_of_user ON use_ledger (caller, at, signature);
CREATE INDEX use_ledger_by_time ON use_ledger (at, signature);
