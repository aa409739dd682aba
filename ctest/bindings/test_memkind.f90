! SPDX-License-Identifier: BSD-2-Clause
! The Fortran module: arrays in a kind, and each refusal as a status.
program test_memkind
    use memkind
    use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64
    implicit none
    type(memkind_t) :: kind, none
    real(real64), pointer :: a(:)
    real(real32), pointer :: b(:)
    integer(int32), pointer :: c(:)
    integer(int64), pointer :: d(:)
    integer :: status

    if (memkind_get_version() < 1015000) error stop 'version'
    kind = memkind_static('MEMKIND_REGULAR')
    if (.not. memkind_available(kind)) error stop 'MEMKIND_REGULAR is missing'
    call memkind_allocate(kind, a, 1000_int64, status)
    if (status /= 0 .or. size(a) /= 1000) error stop 'real64'
    a = 2
    if (abs(sum(a) - 2000) > 0.5) error stop 'contents'
    call memkind_allocate(kind, b, 10_int64, status)
    if (status /= 0) error stop 'real32'
    call memkind_allocate(kind, c, 0_int64, status)
    if (status /= 0 .or. size(c) /= 0) error stop 'no elements'
    call memkind_allocate(kind, d, 7_int64, status)
    if (status /= 0) error stop 'int64'
    call memkind_deallocate(a)
    if (associated(a)) error stop 'still associated'
    call memkind_deallocate(a)
    call memkind_deallocate(b)
    call memkind_deallocate(c)
    call memkind_deallocate(d)
    call memkind_allocate(kind, a, huge(1_int64), status)
    if (status /= enomem .or. associated(a)) error stop 'too much'
    call memkind_allocate(kind, a, -1_int64, status)
    if (status /= einval) error stop 'a negative number'
    none = memkind_static('MEMKIND_NONSENSE')
    call memkind_allocate(none, a, 1_int64, status)
    if (status /= einval) error stop 'no kind'
    none = memkind_static('memkind_malloc')
    call memkind_allocate(none, a, 1_int64, status)
    if (status /= einval .or. memkind_available(none)) error stop 'a symbol that is no kind'
end program test_memkind
