-- Resident memory, of its three parts; NULL if one is not known, or if together they are more than can be.
CREATE MACRO unfiltered.rss(anon_bytes, file_bytes, shmem_bytes) AS TRY(anon_bytes + file_bytes + shmem_bytes);
