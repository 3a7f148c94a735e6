-- Seals and applications for them are listed by keeper, by user and by the division that decides; each list has its index.
CREATE INDEX seal_keepers_by_keeper ON seal_keepers (keeper, seal);
CREATE INDEX seal_applications_by_division ON seal_applications (division, id);
CREATE INDEX use_authorisations_of_caller ON use_authorisations (caller, seal, id);
